"""What is on the page? Streamlit runs this file for every view; without the token it shows one line."""

from gitrelease.dashboard import views

views.page()
