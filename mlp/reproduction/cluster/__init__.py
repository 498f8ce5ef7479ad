"""Runs as jobs of a Slurm cluster: submit them, and read from their folders what became of them.

Slurm is the queue. `submit` writes a list of tasks and a short shell script (`array.sh`) and gives both to sbatch; no
process of ours lives on. Each task starts `mlp train` with --resume, so a job that is killed, preempted or out of time
loses at most an epoch, and repeating the command submits what is neither finished nor queued. `states` compares the
folders of the runs with one call of squeue. Plain files are kept in ROOT/slurm/<time>/:

    tasks.txt    one line per run: its folder, a tab, its command
    array.sh     what sbatch was given        log/    what Slurm itself says of each task
    job          the id of the array
"""
