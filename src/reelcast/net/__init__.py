"""Sockets: UDP pairs with batched sends, interleaved TCP. The only room that knows them, and ctypes."""
