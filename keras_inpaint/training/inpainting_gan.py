"""`.keras` files of version 0.x name this module; `InpaintingGAN` is in `keras_inpaint.gan`."""

from keras_inpaint.moved_names import moved_names

__getattr__ = moved_names(__name__, {"InpaintingGAN": "keras_inpaint.gan.InpaintingGAN"})
