"""The sample movies: a scene in motion whose every frame and every second a machine can read back.

marks    the frame number as a row of cells, the flash and the beep: written and read here
canvas   anti-aliased shapes on a numpy image
scene    the picture of each frame
sound    what is heard
encode   the containers and codecs
"""
