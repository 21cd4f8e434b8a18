"""`dnslb doctor`: what a new operator gets wrong, found from outside and from within.

    ask the parent and every name server ─▶ facts ─▶ judges (pure) ─▶ findings ─▶ terminal, JSON
    configuration, machine               ─┘

One file a subject. What gathers facts may fail and says so in them; what judges asks nobody.
"""
