"""Gradient caching: the gradient of the whole batch, chunk by chunk, dropout and all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from torch import Tensor, nn  # noqa: E402

from tests.training import tiny  # noqa: E402
from training.ranking.encoding import PassageEncoder, query_ids  # noqa: E402
from training.ranking.gradcache import Side, backward  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

CPU = torch.device("cpu")
QUERIES = ["boil", "boil egg fast", "rain sun", "walk home read file line", "zebra", "cat dog"]
PASSAGES = [f"{query} {word}" for query in QUERIES for word in ("big", "small green", "open close slow fast")]


def loss_of(vectors: list[Tensor]) -> Tensor:
    queries, passages = vectors
    target = torch.arange(len(queries)) * 3
    return nn.functional.cross_entropy(queries @ passages.T / 3, target)


@pytest.fixture(scope="module", params=list(tiny.STUDENTS))
def models(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nn.Module, PassageEncoder, TorchTeacher]:
    folder = tmp_path_factory.mktemp("gradients")
    teacher_folder = tiny.write_cocondenser(folder / "teacher", dropout=0.0)
    path = tiny.write_recipe(folder / "r.toml", teacher_folder, folder, student=tiny.STUDENTS[request.param])
    tiny.start_student(path, folder / "run")
    teacher = TorchTeacher.of(read_recipe(path).teacher)
    student = load_student(folder / "run")
    for module in student.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = False
    return student, PassageEncoder(teacher), teacher


def gradients(models: tuple[nn.Module, PassageEncoder, TorchTeacher], chunk: int) -> tuple[float, dict[str, Tensor]]:
    student, passages, teacher = models
    for module in (student, passages):
        module.zero_grad()
    sides = [
        Side(student, query_ids(teacher, QUERIES, 16), chunk, CPU),
        Side(passages, teacher.token_ids(PASSAGES), chunk, CPU, passages.filler),
    ]
    loss = backward(sides, loss_of, torch.autograd.backward)
    found = {
        f"{kind}.{name}": parameter.grad.clone()
        for kind, module in (("student", student), ("passages", passages))
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    return float(loss), found


def test_without_chunks_it_is_the_plain_gradient(models: tuple[nn.Module, PassageEncoder, TorchTeacher]) -> None:
    student, passages, teacher = models
    loss, found = gradients(models, 0)
    for module in (student, passages):
        module.zero_grad()
    # One by one: no padding at all.
    queries = [student(torch.tensor([ids]), torch.tensor([len(ids)])) for ids in query_ids(teacher, QUERIES, 16)]
    answers = [passages(torch.tensor([ids]), torch.tensor([len(ids)])) for ids in teacher.token_ids(PASSAGES)]
    expected = loss_of([torch.cat(queries), torch.cat(answers)])
    torch.autograd.backward(expected)
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    for name, parameter in student.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[f"student.{name}"], parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 5])
def test_cached_gradients_are_those_of_the_whole_batch(
    models: tuple[nn.Module, PassageEncoder, TorchTeacher], chunk: int
) -> None:
    whole_loss, whole = gradients(models, 0)
    loss, found = gradients(models, chunk)
    assert loss == pytest.approx(whole_loss, abs=1e-5)
    assert found.keys() == whole.keys()
    assert any(name.startswith("passages.") for name in found)
    for name, gradient in whole.items():
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_both_passes_over_a_chunk_drop_the_same_units() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 6)
            self.drop = nn.Dropout(0.5)
            self.seen: list[Tensor] = []

        def forward(self, ids: Tensor, _: Tensor) -> Tensor:
            vectors: Tensor = self.drop(self.table(ids)).sum(1)
            self.seen.append(vectors.detach().clone())
            return vectors

    torch.manual_seed(0)
    module = Noisy()
    before = torch.get_rng_state()
    side = Side(module, [[1, 2], [3, 4], [5], [6]], 2, CPU)
    backward([side], lambda vectors: vectors[0].square().mean(), torch.autograd.backward)
    first, second, again, twice = module.seen
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    torch.testing.assert_close(twice, second, rtol=0, atol=0)
    assert not torch.equal(torch.get_rng_state(), before), "the next batch has other noise"
