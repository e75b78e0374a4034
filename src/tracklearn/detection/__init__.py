"""R-CNN on PASCAL VOC: proposals, warped windows, features, one linear SVM a class, average precision."""
