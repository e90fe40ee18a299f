"""The service: the system over HTTP, in its own protocol and in OpenAI's."""

from asbuilt.server.app import create_app, openapi_document
from asbuilt.server.serving import serve

__all__ = ["create_app", "openapi_document", "serve"]
