"""Policy: from pools and standings to plans, and plans explained."""
