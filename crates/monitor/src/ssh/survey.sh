# Prints the counters of this machine for Conduit's monitor, section by section: host and GPUs here,
# containers after it. POSIX sh. It only reads, it takes no argument and no input, every command
# that may hang has a deadline, and nothing of it stays behind.
LC_ALL=C
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
export LC_ALL PATH
# What interrupts a `wait` below.
trap : USR1

# limit SECONDS COMMAND…: ends the command at its deadline, where there is a `timeout` for it.
if timeout 5 true 2>/dev/null; then
	limit() { timeout "$@"; }
else
	limit() { shift; "$@"; }
fi

# patient SECONDS FUNCTION: goes on without the function when it hangs. Even a killed command stays
# when the kernel does not let it go, as with a dead driver or file server; then it is left alone.
patient() {
	"$2" &
	job=$!
	(
		trap 'kill $! 2>/dev/null; exit' TERM
		sleep "$1" &
		wait $!
		# More than once, for a shell may be looking away; and only while this is still its child,
		# since another process may have its number when it is gone.
		while read -r _ _ _ parent _ </proc/self/stat && [ "$parent" = $$ ]; do
			kill -USR1 $$
			sleep 1 &
			wait $!
		done
	) >/dev/null 2>&1 &
	dog=$!
	{
		wait "$job"
		status=$?
		kill "$dog"
		wait "$dog"
	} 2>/dev/null
	return "$status"
}

# files PATH…: `path:value`, a line for each line of each file that is there.
files() { limit 5 grep -sH . "$@" | head -c 400000; }

clock() {
	now=$(date +%s.%N 2>/dev/null)
	case $now in
	*[!0-9.]* | '' | *.) now=$(date +%s) ;;
	esac
	# First, and all at once: when this line is heard tells how far apart the clocks are.
	printf '@@clock\n%s\n' "$now"
	printf '%s\n%s\n' "$(getconf CLK_TCK 2>/dev/null)" "$(getconf PAGESIZE 2>/dev/null)"
}

kernel() {
	echo @@uname
	for letter in s n r v m; do uname "-$letter"; done
	# One process for all files. Of the long ones only what is looked at.
	awk 'BEGIN {
		for (i = 1; i < ARGC; i++) {
			file = ARGV[i]
			print "@@" file
			size = 0
			while (size < 400000 && (getline line <file) > 0) {
				if (file == "/proc/stat") {
					if (line ~ /^softirq/) continue
					if (line ~ /^intr/) { split(line, word, " "); line = word[1] " " word[2] }
				}
				if (file == "/proc/schedstat" && line !~ /^cpu/) continue
				if (file == "/proc/vmstat" && line !~ /^(oom_kill|pgpg|pswp|pg.*fault)/) continue
				print line
				size += length(line) + 1
			}
			close(file)
		}
	}' /etc/os-release /proc/diskstats /proc/loadavg /proc/meminfo /proc/mounts /proc/net/arp \
		/proc/net/dev /proc/net/netstat /proc/net/snmp /proc/net/snmp6 /proc/net/sockstat \
		/proc/net/sockstat6 /proc/net/softnet_stat /proc/pressure/cpu /proc/pressure/io \
		/proc/pressure/irq /proc/pressure/memory /proc/schedstat /proc/stat /proc/sys/fs/file-nr \
		/proc/sys/kernel/domainname /proc/sys/kernel/hung_task_detect_count \
		/proc/sys/kernel/pid_max \
		/proc/sys/kernel/random/entropy_avail /proc/sys/kernel/random/poolsize \
		/proc/sys/kernel/threads-max /proc/sys/net/netfilter/nf_conntrack_count \
		/proc/sys/net/netfilter/nf_conntrack_max /proc/uptime /proc/vmstat 2>/dev/null
}

devices() {
	chips='' links=''
	for chip in /sys/class/hwmon/hwmon*; do
		power=''
		[ -r "$chip/device/power/runtime_status" ] && read -r power <"$chip/device/power/runtime_status"
		# A sleeping device would be woken by the question how warm it is.
		[ "$power" = suspended ] && continue
		chips="$chips $chip/name $chip/temp*_input $chip/temp*_label $chip/temp*_crit $chip/temp*_max"
		chips="$chips $chip/temp*_crit_hyst $chip/temp*_crit_alarm $chip/fan*_input $chip/fan*_min"
		[ -e "$chip/device" ] && links="$links $chip/device"
	done
	echo @@hwmon
	# shellcheck disable=SC2086 # words and patterns on purpose
	files $chips
	for link in $links; do echo "$link:$(readlink -f "$link")"; done
	echo @@cooling
	files /sys/class/thermal/cooling_device*/type /sys/class/thermal/cooling_device*/cur_state \
		/sys/class/thermal/cooling_device*/max_state
	echo @@power
	files /sys/class/power_supply/*/online
	echo @@net-sysfs
	net=''
	for word in operstate mtu speed carrier ifindex address broadcast duplex ifalias \
		carrier_changes tx_queue_len flags type statistics/rx_nohandler; do
		net="$net /sys/class/net/*/$word"
	done
	# shellcheck disable=SC2086
	files $net
}

# Units that failed; which others matter, nobody tells a script that takes no argument.
units() {
	[ -d /run/systemd/system ] || return 0
	echo @@units
	limit 5 systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null |
		head -n 100 | awk '{ print $1, $3 }'
}

disks() {
	# Local ones only, where df knows how: a dead file server would hang it.
	near=-l
	limit 5 df -kPl / >/dev/null 2>&1 || near=''
	echo @@df
	# shellcheck disable=SC2086 # absent, or one word
	limit 5 df -kP $near 2>/dev/null | head -c 200000
	echo @@df-inodes
	# shellcheck disable=SC2086
	limit 5 df -iP $near 2>/dev/null | head -c 200000
}

# AMD's and Intel's GPUs.
drm() {
	echo @@drm
	for card in /sys/class/drm/card[0-9]*; do
		vendor='' power=''
		[ -r "$card/device/vendor" ] || continue
		case ${card##*/} in *-*) continue ;; esac
		read -r vendor <"$card/device/vendor"
		case $vendor in 0x1002 | 0x8086) ;; *) continue ;; esac
		files "$card/device/vendor" "$card/device/device" "$card/device/uevent" \
			"$card/device/power/runtime_status"
		[ -r "$card/device/power/runtime_status" ] && read -r power <"$card/device/power/runtime_status"
		[ "$power" = suspended ] && continue
		files "$card"/device/product_name "$card"/device/unique_id \
			"$card"/device/gpu_busy_percent "$card"/device/mem_busy_percent \
			"$card"/device/mem_info_vram_total "$card"/device/mem_info_vram_used \
			"$card"/device/pp_dpm_sclk "$card"/device/pp_dpm_mclk \
			"$card"/device/current_link_speed "$card"/device/current_link_width \
			"$card"/device/max_link_speed "$card"/device/max_link_width \
			"$card"/device/pcie_replay_count "$card"/device/ras/umc_err_count \
			"$card"/device/hwmon/hwmon*/temp[123]_input "$card"/device/hwmon/hwmon*/temp[123]_label \
			"$card"/device/hwmon/hwmon*/temp[123]_crit "$card"/device/hwmon/hwmon*/power1_average \
			"$card"/device/hwmon/hwmon*/power1_input "$card"/device/hwmon/hwmon*/power1_cap \
			"$card"/device/hwmon/hwmon*/power1_max "$card"/device/hwmon/hwmon*/energy1_input \
			"$card"/device/hwmon/hwmon*/pwm1 "$card"/device/hwmon/hwmon*/pwm1_max \
			"$card"/device/tile0/gt0/freq0/act_freq "$card"/gt/gt0/rps_act_freq_mhz \
			"$card"/gt_act_freq_mhz "$card"/lmem_total_bytes "$card"/lmem_avail_bytes
	done
}

# NVIDIA's GPUs, in three functions. Which are awake: to ask a sleeping one would wake it.
nvidia_power() {
	awake='' asleep=''
	echo @@nvidia-power
	for device in /sys/bus/pci/drivers/nvidia/*:*:*.*; do
		[ -d "$device" ] || continue
		runtime=- power=-
		[ -r "$device/power/runtime_status" ] && read -r runtime <"$device/power/runtime_status"
		[ -r "$device/power_state" ] && read -r power <"$device/power_state"
		echo "${device##*/} $runtime $power"
		case "$runtime $power" in
		*suspended* | *D3hot | *D3cold) asleep=yes ;;
		*) awake=$awake${awake:+,}${device##*/} ;;
		esac
	done
	only=''
	[ -n "$asleep" ] && only=--id=$awake
}

nvidia_query() {
	# One unknown column makes the whole question fail, so only those that it knows are asked for.
	known=" $(limit 5 nvidia-smi --help-query-gpu 2>/dev/null | grep -o '"[a-z0-9_.]*"' | tr '"\n' '  ') "
	query=''
	for field in index uuid name driver_version pci.bus_id pstate temperature.gpu \
		temperature.gpu.tlimit temperature.memory utilization.gpu utilization.memory \
		utilization.encoder utilization.decoder memory.total memory.reserved memory.used power.draw \
		power.limit enforced.power.limit clocks.sm clocks.mem fan.speed pcie.link.gen.current \
		pcie.link.gen.max pcie.link.width.current pcie.link.width.max \
		ecc.errors.corrected.volatile.total ecc.errors.uncorrected.volatile.total \
		ecc.errors.corrected.aggregate.total ecc.errors.uncorrected.aggregate.total \
		remapped_rows.correctable remapped_rows.uncorrectable remapped_rows.pending \
		remapped_rows.failure mig.mode.current clocks_throttle_reasons.active \
		clocks_event_reasons.active clocks_event_reasons_counters.sw_power_cap \
		clocks_event_reasons_counters.hw_power_brake_slowdown \
		clocks_event_reasons_counters.sw_thermal_slowdown \
		clocks_event_reasons_counters.hw_thermal_slowdown; do
		case $known in *" $field "*) query=$query${query:+,}$field ;; esac
	done
	[ -n "$query" ] || query=index,uuid,name,driver_version,pci.bus_id,pstate,temperature.gpu,utilization.gpu,utilization.memory,memory.total,memory.used,power.draw,power.limit,clocks.sm,clocks.mem,fan.speed
	# shellcheck disable=SC2086 # absent, or one word
	table=$(limit 8 nvidia-smi $only --query-gpu="$query" --format=csv,nounits 2>&1)
	code=$?
	# How a `timeout` other than GNU's says that it ended the command.
	case $code in 137 | 143) code=124 ;; esac
	echo @@smi
	printf '%s\n' "$table" | head -c 400000
	printf '\n@@smi-status\n%s\n' "$code"
	return "$code"
}

nvidia_apps() {
	# shellcheck disable=SC2086
	apps=$(limit 8 nvidia-smi $only --query-compute-apps=gpu_uuid,pid,process_name,used_memory \
		--format=csv,nounits 2>/dev/null | head -c 400000)
	printf '@@smi-apps\n%s\n@@cgroups\n' "$apps"
	for pid in $(printf '%s\n' "$apps" | cut -d , -f 2 | grep -o '[0-9]*' | head -n 500); do
		sed "s/^/$pid /" "/proc/$pid/cgroup" 2>/dev/null
	done
}

nvidia() {
	command -v nvidia-smi >/dev/null 2>&1 || return 0
	nvidia_power
	# All of them sleep.
	[ "$only" = --id= ] && return 0
	# Some that never came back: one more would hang as well.
	if [ "$(pgrep -x nvidia-smi 2>/dev/null | wc -l)" -ge 4 ]; then
		printf '@@smi-status\n124\n'
		return 0
	fi
	patient 10 nvidia_query
	code=$?
	# Interrupted: it is still there.
	[ "$code" -gt 128 ] && printf '\n@@smi-status\n124\n'
	[ "$code" -ge 124 ] && return 0
	patient 9 nvidia_apps
	echo
}

clock
kernel
devices
patient 5 units
patient 7 disks
echo
patient 7 drm
nvidia
