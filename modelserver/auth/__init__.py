"""Who calls, and how much they may: API keys and the limits of each client."""
