"""What does the web page show? Streamlit, in a process of its own; it only looks, unless it was allowed to act."""
