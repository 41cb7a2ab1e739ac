"""Is a candidate fit to be seen, and what does it do to the numbers?"""
