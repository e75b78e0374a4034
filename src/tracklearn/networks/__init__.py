"""CaffeNet as in the authors' fork of Caffe, backbones of torchvision, their weights on disk, and conv1's picture."""
