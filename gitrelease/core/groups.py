"""How are groups of instances named? One is always there; it follows the deploy branch."""

PRODUCTION = "production"
ALL = "all"  # every instance of every group
