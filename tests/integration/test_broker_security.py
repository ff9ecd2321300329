from __future__ import annotations

from tests.support.services import Broker


def test_broker_admin_is_answered(broker: Broker) -> None:
    assert broker.admin().brokers() == 1
