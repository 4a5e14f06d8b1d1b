from __future__ import annotations

from critic_models.finetune.card import RunFacts, write_card
from critic_models.finetune.checkpoint import nano_spec
from critic_models.finetune.config import TrainConfig
from critic_models.finetune.evaluate import Accuracy


def test_the_card_has_figures_with_intervals_and_the_bar():
    tables = {
        "The test split": {
            "defect/blur": Accuracy(90, 100),
            "overall/visual_quality": Accuracy(270, 300),
        }
    }
    facts = RunFacts(steps=1000, minutes=41.6, parameters=5_880_000)
    card = write_card(nano_spec(8, {}), TrainConfig(), facts, tables)
    assert "| defect/blur | 0.900 | 0.826 to 0.945 | 100 | 0.80 |" in card
    assert "| overall/visual_quality | 0.900 | 0.861 to 0.929 | 300 |  |" in card
    assert "32,000 rendered clips in 1,000 steps of 32 (42 minutes" in card
    assert "5.9 M parameters" in card
    assert nano_spec(8, {}).limits in card
