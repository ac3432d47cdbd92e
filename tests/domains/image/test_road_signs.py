"""Road signs: the same on every machine, varied, and where the homography says."""

import pytest
import torch

from sparring.core.errors import InvalidCases
from sparring.core.goal import ClassifyAmong
from sparring.domains.image.road_signs import SIGNS, StopFace, road_signs, stop_signs, views

HOMOGRAPHY = torch.tensor(
    [[16.74244, -0.07576, 26.48232], [0.02907, 18.15545, 26.76285], [-0.02936, 0.0213, 1.0]]
)  # of the first test picture, so that no machine or version draws others unnoticed


def test_draws_all_signs_in_turn_within_the_box():
    cases = road_signs("train", 24)
    assert cases.inputs.shape == (24, 3, 48, 48) and cases.inputs.dtype == torch.float32
    assert float(cases.inputs.min()) >= 0 and float(cases.inputs.max()) <= 1
    assert cases.goals.labels.bincount().tolist() == [3] * len(SIGNS)
    assert len(set(cases.ids)) == 24


def test_a_picture_is_fixed_by_its_id():
    many, few = road_signs("test", 20), road_signs("test", 4)
    assert torch.allclose(many.inputs[:4], few.inputs, atol=1e-6)
    assert few.ids[0] == "road-signs/test/stop/0"
    assert torch.allclose(views(few.ids[:1]).homography[0], HOMOGRAPHY, atol=1e-3)


def test_splits_share_no_picture():
    first, second = road_signs("train", 8), road_signs("test", 8)
    assert not set(first.ids) & set(second.ids)
    assert float((first.inputs - second.inputs).abs().flatten(1).mean(1).min()) > 0.02


def test_a_stop_sign_is_red_where_the_homography_says_and_ends_at_its_rim():
    cases = stop_signs("test", 40)
    points = views(cases.ids).coordinates(48, 48)
    red = cases.inputs[:, 0] - cases.inputs[:, 1:].mean(1)
    inner = StopFace().on_face(points / 0.85) & (points[..., 1].abs() > 0.45)  # above and below the word
    outside = ~StopFace().on_face(points / 1.2)
    inside_red = (red * inner).flatten(1).sum(1) / inner.flatten(1).sum(1)
    outside_red = (red * outside).flatten(1).sum(1) / outside.flatten(1).sum(1)
    assert float((inside_red - outside_red).min()) > 0.03
    assert float((inside_red - outside_red).mean()) > 0.15


def test_stop_signs_are_to_be_read_as_a_speed_limit():
    goals = stop_signs("validation", 3).goals
    assert isinstance(goals, ClassifyAmong)
    assert [SIGNS[i] for i in goals.wanted] == ["speed limit 30", "speed limit 50", "speed limit 80"]
    assert goals.labels.tolist() == [SIGNS.index("stop")] * 3
    scores = torch.eye(len(SIGNS))[[0, 1, 4]]
    assert goals.reached(scores).tolist() == [False, True, False]
    assert torch.allclose(goals.loss(scores).exp(), scores.softmax(1)[:, 1:4].sum(1))


def test_refuses_what_it_does_not_have():
    with pytest.raises(InvalidCases, match="split must be one of train, validation, test; got 'dev'"):
        road_signs("dev", 3)
    with pytest.raises(InvalidCases, match=r"sign must be one of stop, .*; got 'halt'"):
        road_signs("test", 3, sign="halt")
    with pytest.raises(InvalidCases, match="1 picture or more; got count 0"):
        road_signs("test", 0)
