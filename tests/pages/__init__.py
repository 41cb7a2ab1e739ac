"""Open pages of a Streamlit app, as a person with a browser has them: for tests and benchmarks."""
