import subprocess
import sys

from tests.index.fabricate import annoy_over, bundle_of, sign_vectors
from two_tower.index.bundle_files import write_bundle

HEAVY = ("tensorflow", "keras", "jax", "kedro", "ibis", "plotly")

PROGRAM = """
import sys
from pathlib import Path
from two_tower.index.bundle_files import read_bundle
from two_tower.recommend.recommender import Recommender

recommender = Recommender(read_bundle(Path(sys.argv[1])))
print(recommender.nearest_items(100, 1)[0].item_id)
print([name for name in sys.argv[2:] if name in sys.modules])
"""


# covers: X16 N18
def test_a_bundle_is_served_without_tensorflow_or_kedro(tmp_path):
    vectors = sign_vectors(30)
    vectors[17] = vectors[0]
    write_bundle(bundle_of(vectors, index=annoy_over(vectors)), tmp_path)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split("\n")[:2] == ["117", "[]"]
