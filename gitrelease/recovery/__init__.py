"""How is a production checkout brought back into a known state? A module for each kind of damage, and their order.

Each mends what it finds and yields a line for it; where nothing is wrong nothing is said. Only slots that nothing runs
in go in any case.
"""
