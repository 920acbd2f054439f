# What U-Boot does on a Raspberry Pi: starts slot A or B. The builder of images makes boot.scr of it.
#
# slot.env says which: `slot` is the one that works, `trial` a new one that is to be tried, `tries` how often still.
# A try is counted before it begins. PID 1 makes the new slot the one that works; as long as it has not, any start that
# ends in a panic, a hang or a pulled plug is one try less, and with none left the old slot is started again.

setenv part ${devtype} ${devnum}:${distro_bootpart}
setenv slot a
setenv trial
setenv tries 0
if load ${part} ${scriptaddr} slot.env; then
  env import -t ${scriptaddr} ${filesize} slot trial tries
fi

setenv this ${slot}
setenv words
if test -n "${trial}"; then
  if test ${tries} -gt 0; then
    setexpr tries ${tries} - 1
    if env export -t ${scriptaddr} slot trial tries; then
      # Without the count there would be no end to trying.
      if fatwrite ${part} ${scriptaddr} slot.env ${filesize}; then
        setenv this ${trial}
        setenv words pillarbox.trial=1
      fi
    fi
  fi
fi
echo "Pillarbox: slot ${this} ${words}"

# Far from each other and from U-Boot, in the first 256 MiB that every board has.
setenv at_kernel 0x04000000
setenv at_tree 0x07f00000
setenv at_initramfs 0x08000000
# The kernel is packed: it is unpacked here, and moved back.
setenv kernel_comp_addr_r 0x10000000
setenv options console=tty0 panic=10
if load ${part} ${scriptaddr} ${this}/options.env; then
  env import -t ${scriptaddr} ${filesize} options
fi
setenv bootargs ${options} pillarbox.slot=${this} ${words}

# The slot's own device tree; what the firmware gave is the next best.
setexpr tree sub ".*/" "" "${fdtfile}"
if load ${part} ${at_tree} ${this}/${tree}; then
  true
else
  setenv at_tree ${fdt_addr}
fi
if load ${part} ${at_kernel} ${this}/vmlinuz; then
  setenv kernel_comp_size ${filesize}
  if load ${part} ${at_initramfs} ${this}/initramfs; then
    booti ${at_kernel} ${at_initramfs}:${filesize} ${at_tree}
  fi
fi

# It could not be started at all: that was a try, too. The old one comes after the last.
echo "Pillarbox: slot ${this} cannot be started"
sleep 5
reset
