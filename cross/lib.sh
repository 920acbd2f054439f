# What the scripts of this folder share: where things are, and the pinned packages. To be sourced.
# PILLARBOX_PINS names another lock, PILLARBOX_MIRROR another mirror, CARGO_TARGET_DIR another place for what is built.
set -euo pipefail
cross=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$cross")
target=${CARGO_TARGET_DIR:-$repo/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
work=$target/cross
lock=${PILLARBOX_PINS:-$cross/pins.lock}
mkdir -p "$work/debs"

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# needs COMMAND:PACKAGE...: installs what the machine lacks.
needs() {
  local missing=() pair
  for pair; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || die "please install: ${missing[*]}"
  echo "apt-get install ${missing[*]}" >&2
  DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

mirror() {
  local found=${PILLARBOX_MIRROR:-}
  [ -n "$found" ] || found=$(mirror_of_apt)
  # apt tells only of what it has looked at.
  [ -n "$found" ] || [ "$(id -u)" != 0 ] || { apt-get update -qq >&2 && found=$(mirror_of_apt); }
  [ -n "$found" ] || die "no Debian mirror in apt's sources; name one in PILLARBOX_MIRROR"
  echo "${found%/}"
}

mirror_of_apt() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$' || true
}

# fetch_group GROUP: all its packages are in $work/debs afterwards, each what the lock says.
fetch_group() {
  local base group name version arch sum path file
  base=$(mirror)
  needs curl:curl
  grep -q "^$1 " "$lock" || die "$lock has no group $1"
  while read -r group name version arch sum path; do
    file=$work/debs/${path##*/}
    [ -e "$file" ] && echo "$sum  $file" | sha256sum --status -c && continue
    curl -fsSL --retry 3 --retry-all-errors --max-time 300 -o "$file.part" "$base/$path" ||
      die "$name $version ($arch) cannot be had any more: renew the pins with cross/repin, and look at what changed"
    echo "$sum  $file.part" | sha256sum --status -c ||
      die "$name $version ($arch) is not what was pinned: $(sha256sum <"$file.part" | cut -c1-64) instead of $sum. If that is meant, cross/repin"
    mv "$file.part" "$file"
  done < <(grep "^$1 " "$lock")
}

# files_of GROUP: the packages as files, one a line.
files_of() {
  local group name version arch sum path
  while read -r group name version arch sum path; do
    echo "$work/debs/${path##*/}"
  done < <(grep "^$1 " "$lock")
}

# root_of GROUP: the folder of the root made of a group's packages, which is made where it is missing.
root_of() {
  local key root pool file
  key=$(grep "^$1 " "$lock" | sha256sum | cut -c1-12)
  root=$work/root-$1-$key
  if [ ! -e "$root/.complete" ]; then
    [ "$(id -u)" = 0 ] || die "making a root needs root rights (mmdebstrap and chroot)"
    needs mmdebstrap:mmdebstrap dpkg-deb:dpkg >&2
    fetch_group "$1"
    rm -rf "$work/root-$1-"*
    pool=$(mktemp -d)
    # A repository of just these files: their hashes were checked, nothing else can come in.
    while read -r file; do
      ln "$file" "$pool/" 2>/dev/null || cp "$file" "$pool/"
      dpkg-deb -f "$file"
      printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${file##*/}" "$(stat -c %s "$file")" "$(sha256sum <"$file" | cut -c1-64)"
    done < <(files_of "$1") >"$pool/Packages"
    chmod -R a+rX "$pool"
    mmdebstrap --quiet --mode=root --variant=custom --architectures=amd64 \
      --include="$(grep "^$1 " "$lock" | cut -d' ' -f2 | paste -sd,)" \
      trixie "$root" "deb [trusted=yes] copy:$pool ./" >&2 || die "the root could not be made"
    rm -rf "$pool" "$root/var/cache/apt" "$root/var/lib/apt/lists"
    mkdir -p "$root/build"
    touch "$root/.complete"
  fi
  echo "$root"
}
