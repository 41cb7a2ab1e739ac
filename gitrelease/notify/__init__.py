"""What runs beside the agent to tell people: it alone imports Apprise, and it lives for one delivery."""
