#!/bin/sh
# Makes the service's login and its database. The login may create the two roles that isolation is drawn by, and is no superuser.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
  --set=password="$DATABASE_PASSWORD" <<'SQL'
CREATE ROLE gatehouse LOGIN CREATEROLE NOSUPERUSER PASSWORD :'password';
CREATE DATABASE gatehouse OWNER gatehouse;
SQL
