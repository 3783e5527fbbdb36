"""Takes what LatentSync's image processor takes."""

from standin import loading


class FaceDetector:
    def __init__(self, device="cuda"):
        loading("detector")


class ImageProcessor:
    def __init__(self, resolution=512, device="cpu", mask_image=None):
        self.face_detector = None if device == "cpu" else FaceDetector(device=device)
