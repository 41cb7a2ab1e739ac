"""The traffic front: owns the public ports, splices TCP to the live backend, switches between two connections.

A process of its own, standard library only, started as `python -m gitrelease.front` by the agent.
"""
