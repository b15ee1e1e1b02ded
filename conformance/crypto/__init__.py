"""Primitives by name: ciphers, MACs, PRFs, Diffie-Hellman groups and random sources.

The one package that imports ``cryptography``; the layers above know only the names of the tables.
"""
