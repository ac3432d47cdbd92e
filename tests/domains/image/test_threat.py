"""What the image threats admit, and what they do not."""

import math

import pytest
import torch

from sparring.core.cases import Cases
from sparring.core.errors import InvalidCases, InvalidSpec
from sparring.core.goal import Misclassify
from sparring.core.seed import Seed
from sparring.domains.image.corruption import KINDS
from sparring.domains.image.threat import Corruption, Patch, RotateTranslate, enclosing_square


def pictures(count: int, *shape: int, smooth: bool = False) -> Cases:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, *shape, generator=generator)
    if smooth:
        images = torch.nn.functional.interpolate(images[:, :, :9, :9], shape[1:], mode="bilinear")
    return Cases([f"p{i}" for i in range(count)], images, Misclassify(torch.zeros(count).long()))


def painted(inputs: torch.Tensor, side: float, degrees: float, right: float, down: float) -> torch.Tensor:
    """A black square around a point, by its own few lines."""
    height, width = inputs.shape[2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5 - down, torch.arange(width) + 0.5 - right, indexing="ij")
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    inside = ((cos * x + sin * y).abs() <= side / 2) & ((cos * y - sin * x).abs() <= side / 2)
    return torch.where(inside, 0.0, inputs)


class TestPatch:
    def test_admits_a_square_of_its_area_at_any_place_and_turn(self):
        cases, threat = pictures(1, 3, 30, 30), Patch(0.04)
        for number in range(40):
            degrees, right, down = 97.3 * number % 90, 6 + number % 18, 6 + 7 * number % 18
            assert bool(threat.admits(cases, painted(cases.inputs, 6.0, degrees, right + 0.37, down + 0.11)).all())

    def test_refuses_a_larger_square_two_patches_and_values_outside_the_box(self):
        cases, threat = pictures(1, 3, 30, 30), Patch(0.04)
        assert not bool(threat.admits(cases, painted(cases.inputs, 8.0, 20.0, 15.2, 15.1)).any())
        two = painted(painted(cases.inputs, 3.0, 0, 8, 8), 3.0, 0, 22, 22)
        assert not bool(threat.admits(cases, two).any())
        assert not bool(threat.admits(cases, painted(cases.inputs, 5.0, 0, 15, 15) * 1.0 - 0.01).any())

    def test_admits_the_case_itself_at_no_area(self):
        cases = pictures(2, 1, 8, 8)
        assert bool(Patch(0.0).admits(cases, cases.inputs).all())
        one = cases.inputs.clone()
        one[:, :, 3, 3:5] = 0
        assert not bool(Patch(0.0).admits(cases, one).any())

    def test_measures_a_turned_line_along_itself(self):
        diagonal = torch.eye(12, dtype=torch.bool)[None]
        assert float(enclosing_square(diagonal)) == pytest.approx(11.0, abs=0.01)  # turned by 45: a square on its tip
        straight = torch.zeros(1, 12, 12, dtype=torch.bool)
        straight[0, 5, 2:10] = True
        assert float(enclosing_square(straight)) == pytest.approx(7 / math.sqrt(2), rel=0.005)

    def test_refuses_an_area_that_is_no_share(self):
        with pytest.raises(InvalidSpec, match=r"between 0 and 1; got area 1.5"):
            Patch(1.5)


class TestRotateTranslate:
    @pytest.mark.parametrize(("shape", "smooth"), [((1, 6, 6), False), ((1, 28, 28), True), ((3, 32, 32), False)])
    def test_admits_what_it_renders_also_after_rounding_to_eight_bits(self, shape, smooth):
        cases, threat = pictures(40, *shape, smooth=smooth), RotateTranslate()
        poses = (2 * Seed(1).stream(cases.ids).uniform((3,)) - 1) * threat.limits
        attempts = threat.render(cases.inputs, poses)
        assert bool(threat.admits(cases, attempts).all())
        assert bool(threat.admits(cases, (attempts * 255).round() / 255).all())

    def test_refuses_a_turn_or_shift_beyond_the_range_and_any_other_change(self):
        cases, threat = pictures(12, 1, 12, 12), RotateTranslate(20, 1)
        far = RotateTranslate(40, 4)
        for pose in ((26.0, 0.0, 0.0), (0.0, 1.4, 0.0), (-10.0, 0.5, -1.5)):
            attempts = far.render(cases.inputs, torch.tensor([pose]).expand(12, 3))
            assert not bool(threat.admits(cases, attempts).any())
        noise = (cases.inputs + 0.03 * Seed(0).stream(cases.ids).signs((1, 12, 12))).clamp(0, 1)
        assert not bool(threat.admits(cases, noise).any())

    def test_finds_the_parameters(self):
        cases, threat = pictures(5, 1, 28, 28, smooth=True), RotateTranslate()
        pose = torch.tensor([[17.0, -2.0, 1.5]]).expand(5, 3)
        found, error = threat.recover(cases.inputs, threat.render(cases.inputs, pose))
        assert torch.allclose(found, pose, atol=0.3)
        assert float(error.max()) <= threat.tolerance

    def test_a_quarter_turn_and_a_whole_shift_are_exact(self):
        image = torch.arange(16.0).reshape(1, 1, 4, 4) / 16
        threat = RotateTranslate(90, 2)
        quarter = threat.render(image, torch.tensor([[90.0, 0.0, 0.0]]))
        assert torch.allclose(quarter, torch.rot90(image, -1, (2, 3)), atol=1e-5)  # clockwise
        shifted = threat.render(image, torch.tensor([[0.0, 1.0, 0.0]]))
        assert torch.allclose(shifted[..., 1:], image[..., :-1], atol=1e-5)
        assert torch.allclose(shifted[..., 0], torch.zeros(4), atol=1e-5)

    def test_fills_with_the_value_it_was_given(self):
        threat = RotateTranslate(0, 2, fill=0.7)
        shifted = threat.render(torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 0.0, 2.0]]))
        assert torch.allclose(shifted[0, 0, :2], torch.full((2, 4), 0.7), atol=1e-5)

    def test_refuses_ranges_that_make_no_sense(self):
        with pytest.raises(InvalidSpec, match="degrees must lie in 0 to 180"):
            RotateTranslate(-1)
        with pytest.raises(InvalidSpec, match=r"fill must lie in the box \[0, 1\]; got 2"):
            RotateTranslate(fill=2)


class TestCorruption:
    def test_admits_every_kind_up_to_its_severity_and_none_above(self):
        cases, threat = pictures(3, 3, 16, 16), Corruption(2)
        for kind in KINDS:
            assert bool(threat.admits(cases, threat.render(cases, kind, 1)).all()), kind
            assert bool(threat.admits(cases, threat.render(cases, kind, 2)).all()), kind
            assert not bool(threat.admits(cases, threat.render(cases, kind, 4)).any()), kind
        assert bool(threat.admits(cases, cases.inputs).all())

    def test_refuses_another_draw_and_a_corruption_that_was_worked_on(self):
        cases, threat = pictures(3, 1, 8, 8), Corruption(3)
        assert not bool(threat.admits(cases, Corruption(3, draw=1).render(cases, "gaussian_noise", 3)).any())
        touched = threat.render(cases, "haze", 3)
        touched[:, 0, 0, 0] = 1 - touched[:, 0, 0, 0]
        assert not bool(threat.admits(cases, touched).any())

    def test_works_in_another_box(self):
        cases = pictures(3, 1, 8, 8)
        wide = Cases(cases.ids, cases.inputs * 2 - 1, cases.goals)
        same = Corruption(3).render(cases, "contrast", 3) * 2 - 1
        assert torch.allclose(Corruption(3, low=-1).render(wide, "contrast", 3), same, atol=1e-6)

    def test_refuses_another_severity(self):
        with pytest.raises(InvalidSpec, match="from 0 to 5; got 7"):
            Corruption(7)


@pytest.mark.parametrize("threat", [Patch(), RotateTranslate(), Corruption()], ids=lambda threat: type(threat).__name__)
def test_refuses_inputs_that_are_no_images_in_the_box(threat):
    cases = pictures(2, 1, 8, 8)
    flat = Cases(cases.ids, cases.inputs.flatten(1), cases.goals)
    with pytest.raises(InvalidCases, match=r"needs images of shape .*; got \(2, 64\)"):
        threat.check(flat)
    with pytest.raises(InvalidCases, match=r"must lie in the threat's box \(\[0, 1\]\); case p0 spans"):
        threat.check(Cases(cases.ids, cases.inputs * 255, cases.goals))
    broken = cases.inputs.clone()
    broken[1, 0, 2, 2] = torch.nan
    with pytest.raises(InvalidCases, match="case p1 holds NaN"):
        threat.check(Cases(cases.ids, broken, cases.goals))
    assert threat.describe()
