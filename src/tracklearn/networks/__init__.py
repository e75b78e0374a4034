"""CaffeNet as in the authors' fork of Caffe, its weights on disk, and a picture of its first layer."""
