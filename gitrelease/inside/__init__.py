"""What runs inside the app's own interpreter: started by file path, standard library only, Python 3.8 and later."""
