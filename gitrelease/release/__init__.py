"""How does a candidate go live, how does production go back, and which release brought what?"""
