// These are ES modules that CommonJS packages `require` (firebase-admin, throttled strategies): loaded first, so that
// Jest never meets them for the first time in the middle of a require cycle.
import 'reflect-metadata';
import 'jose';
import '@nestjs/common';
import '@nestjs/core';
