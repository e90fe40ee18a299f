import shutil

import pytest

from asbuilt.documents.ocr_rapid import RapidOcr
from asbuilt.documents.ocr_tesseract import TesseractOcr
from asbuilt.testing.ocr_contract import OcrContract

rapid = RapidOcr()


class TestRapidOcr(OcrContract):
    @pytest.fixture
    def ocr(self):
        return rapid


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program is not installed")
class TestTesseractOcr(OcrContract):
    @pytest.fixture
    def ocr(self):
        return TesseractOcr()
