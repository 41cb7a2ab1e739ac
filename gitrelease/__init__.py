"""Which version of gitrelease is this? (Kept empty of imports: hooks and clients must start fast.)"""

__version__ = "0.1.0"
