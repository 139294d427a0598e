"""What a person sees: one screen a file, with its style sheet beside it. Nothing here knows the proxy's insides."""
