"""Airflow: retrains a model when there is something new.

Copy this file to Airflow's folder of DAGs and set the three names. Auricle needs an environment of
its own, since its libraries and Airflow's exclude each other.
"""

import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

AURICLE = "/opt/auricle/.venv/bin/auricle"
WORKFLOW = "/srv/auricle/digits.yaml"
CRON = "0 3 * * *"  # here; that in the workflow file is for `auricle schedule` as a service

with DAG(
    dag_id="auricle_digits",
    schedule=CRON,
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    catchup=False,
    max_active_runs=1,
):
    BashOperator(
        task_id="look_and_retrain",
        bash_command=f"{AURICLE} schedule {WORKFLOW} --once",
        append_env=True,
        # A gate stopped it, as gates do: skipped, not failed. Exit codes 1 and 2 fail the task.
        skip_on_exit_code=[3],
    )
