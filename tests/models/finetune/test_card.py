from __future__ import annotations

from critic_models.finetune.card import RunFacts, write_card
from critic_models.finetune.checkpoint import nano_spec
from critic_models.finetune.config import TrainConfig


def test_the_card_says_how_the_run_went():
    facts = RunFacts(steps=1000, minutes=41.6, parameters=5_880_000, notes="Stopped once.")
    card = write_card(nano_spec(8, {}), TrainConfig(), facts, sections={"Footage": "None yet."})
    assert "48,000 rendered clips in 1,000 steps of 48 (42 minutes" in card
    assert "5.9 M parameters" in card
    assert nano_spec(8, {}).limits in card
    assert "Stopped once." in card
    assert "## Footage\n\nNone yet." in card
    assert "How good it is" not in card
