"""Hooks of esdk-obs-python.

*Method hooks* on the public methods see what the caller means, even an SSE argument that the SDK would drop, before the
SDK does anything. *Wire hooks* on the two functions that every request passes see what really leaves: the final header
names, and the connection itself. The SDK is never imported from here.
"""
