"""`gitrelease demo`: the whole story on a sample app in a temporary folder, measured."""
