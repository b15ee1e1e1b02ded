"""Interoperability conformance test suite for IKEv1, ESP and AH."""

__version__ = "0.1.0"
