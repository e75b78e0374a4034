"""Caffe's files: weights (.caffemodel) and descriptions of networks (.prototxt)."""
