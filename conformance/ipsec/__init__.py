"""The IPsec data plane, sans-IO: packets in, packets or audit events out (RFC 4301, RFC 4303)."""
