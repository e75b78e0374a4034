"""PASCAL VOC: its images, annotations and protocols, and the boxes in them."""
