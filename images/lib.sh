# What the scripts of this folder share: the builder, which is made where it is missing. To be sourced.
set -euo pipefail
images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$images")
target=${CARGO_TARGET_DIR:-$repo/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)

builder() {
  local built=$target/images/cargo
  CARGO_TARGET_DIR=$built cargo build --quiet --locked --manifest-path "$images/Cargo.toml"
  PILLARBOX_TARGET=$target "$built/debug/pillarbox-images" "$@"
}
