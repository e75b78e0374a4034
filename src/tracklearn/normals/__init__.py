"""Surface normals of NYUv2 (PAPER §6.2.2, Table 2).

Everywhere in this room a normal is a unit vector in the camera's coordinates that faces the camera: x points right,
y up and z towards the camera. Arrays of normals are (..., 3), and the zero vector stands where a normal is not defined.
"""
