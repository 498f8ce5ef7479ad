"""Layers of images and signals: what moves a window (`windows`, `pools`), what moves values (`moved`, `upsampling`)."""
