"""Where the SDKs are hooked, and what their calls and requests mean."""
