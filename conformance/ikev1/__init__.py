"""The sans-IO core of IKEv1: octets in, octets and events out (RFC 2407, RFC 2408, RFC 2409).

Clock and randomness are arguments; sockets, threads and logs belong to ``conformance.peer``.
"""
