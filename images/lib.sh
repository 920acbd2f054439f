# What the scripts of this folder share: the builder, which is made where it is missing. To be sourced.
# CARGO_TARGET_DIR names another place for all that is made, PILLARBOX_BUILDER a builder that was made already.
images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$images/../cross/lib.sh"

builder_file() {
  local built=$target/images/cargo
  if [ -z "${PILLARBOX_BUILDER:-}" ]; then
    needs cc:build-essential
    CARGO_TARGET_DIR=$built cargo build --quiet --locked --manifest-path "$images/Cargo.toml" >&2
  fi
  echo "${PILLARBOX_BUILDER:-$built/debug/pillarbox-images}"
}

builder() {
  local file
  file=$(builder_file)
  PILLARBOX_REPOSITORY=$repo PILLARBOX_TARGET=$target "$file" "$@"
}
