"""The proxy: from the Messages API that Claude Code speaks to the chat completions that models take, and back.

Owns the way of one request (`exchange`), the ears (`server`) and the mouth (`upstream`); everything else here is pure.
Must never know the store or the screens: the feed carries what they need. The one surprise: importing this package
imports nothing.
"""
