# SPDX-License-Identifier: Apache-2.0
"""The fixtures are those of the integration tests."""
from integration.conftest import *  # noqa: F401,F403
