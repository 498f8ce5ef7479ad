#!/bin/bash
@OPTIONS@
# Made by mlp; `sbatch` of this file submits it again. A task does @EACH@ line(s) of tasks.txt, one after the other:
# the folder of a run, a tab, the command that starts or continues it.
folder=@FOLDER@
me=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID} run='' child='' asked=0 again=0 worst=0
export PYTHONUNBUFFERED=1 PYTHONPATH=@PYTHONPATH@${PYTHONPATH:+:$PYTHONPATH}
for name in @THREAD_LIMITS@; do export "$name=@CORES@"; done

epochs() { # finished by this run: the lines of metrics.csv below the header
    local lines
    lines=$(wc -l 2>/dev/null <"$run/metrics.csv") || lines=1
    echo $((lines - 1))
}
note() { # event, status, sentence: a line of attempts.tsv, see mlp/training/attempts.py
    [[ -s $run/attempts.tsv ]] || printf '%b\n' '@COLUMNS@' >>"$run/attempts.tsv"
    printf '%s\t%s\t%s\t%s\tscript\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$1" "$2" "${SLURMD_NODENAME:-$(hostname)}" \
        "$me" "$(epochs)" "$3" >>"$run/attempts.tsv"
}
fruitless() { # how many of the last attempts of this job at this run ended without a new epoch
    awk -F'\t' -v me="$me" '$6 == me && $5 == "script" && $2 == "end" && $3 != 73 { n = $8 == "no epoch" ? n + 1 : 0 }
        END { print n + 0 }' "$run/attempts.tsv"
}
# USR2 comes before the time limit, or before a preemption: the run must end after its epoch.
trap 'asked=1; [[ -z $child ]] || kill -USR2 "$child" 2>/dev/null' USR2

while IFS=$'\t' read -r run command <&3; do
    [[ -e $run/test.json ]] && continue
    ((!asked)) || { again=1; break; }
    mkdir -p "$run" || { worst=2; continue; }
    eval "words=($command)" # quoted words; `eval "$command" &` would put a shell between us and Python
    before=$(epochs)
    note start '' "restart ${SLURM_RESTART_COUNT:-0} of the job"
    printf '$ %s\n' "$command" >>"$run/log.txt"
    "${words[@]}" >>"$run/log.txt" 2>&1 3<&- &
    child=$!
    while wait "$child"; status=$?; ((status > 128)) && kill -0 "$child" 2>/dev/null; do :; done # a trap ends `wait`
    child=''
    [[ $(epochs) == "$before" ]] && progress='no epoch' || progress=''
    note end "$status" "$progress"
    case $status in
        0) ;;
        73) again=1 ;;      # the process of an earlier attempt, on a node that was given up, still has the folder
        75 | 140) again=1   # ended as asked; or by the signal itself, before Python listened
            if (($(fruitless) >= @PATIENCE@)); then
                note end 76 'no epoch fits between start and signal: a longer --time, or a smaller --margin'
                exit 76
            fi
            break ;;
        *) worst=$status ;;
    esac
done 3< <(sed -n "$((SLURM_ARRAY_TASK_ID * @EACH@ + 1)),$(((SLURM_ARRAY_TASK_ID + 1) * @EACH@))p" "$folder/tasks.txt")

if ((again)); then
    scontrol requeue "$me" && sleep 3600 # the requeue ends it
    note 'requeue refused' '' 'repeat the command that submitted it'
    exit 75
fi
exit "$worst"
