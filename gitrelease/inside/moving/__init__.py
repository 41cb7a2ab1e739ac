"""The companion: our part in the app's process, loaded there as one package under a private name.

`launch` starts the app, `identity` makes all slots one script to the browser, `departures` and `arrivals` hand sessions
over, `state` reads and fills Streamlit's own objects, `carry` writes values down (`plain`, `frames` and `libraries`: of
which types), `parcel` a session, `endpoint` is the socket. Standard library and Streamlit only, Python 3.8 and later.
"""
