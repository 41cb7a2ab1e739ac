"""What would stop a release, or endangers production? A module for each part of it; `examine.py` has their order.

They look only. What can be mended without a person's word carries its mend with it.
"""
